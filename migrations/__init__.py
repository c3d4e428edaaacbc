"""Alembic migrations of the index tables, run by `reir.store.database`."""
