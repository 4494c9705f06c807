"""Alembic's entry: the connection comes from `studbook.storage.migrations.upgrade`."""

from alembic import context

from studbook.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
