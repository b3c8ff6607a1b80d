"""Alert packets and what they are made from: schema, stamps, histories, names of objects."""
