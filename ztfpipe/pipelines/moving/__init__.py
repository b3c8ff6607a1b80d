"""Moving objects: the known bodies of a night, tracks of unknown ones, orbits and reports (3.9, appendix B)."""
