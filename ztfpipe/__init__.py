"""The open ZTF Science Data System. The floors of the package are described in docs/architecture.md."""
