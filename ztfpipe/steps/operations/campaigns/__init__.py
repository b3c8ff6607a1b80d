"""Campaigns: what an operator can ask for, and what each kind of campaign is made of."""
