// Nothing: its target holds the precompiled headers of all tests.
