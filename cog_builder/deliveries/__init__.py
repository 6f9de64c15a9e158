"""Ways an agency packs a product: a delivered folder or archive becomes a Scene."""

from cog_builder.deliveries.delivery import open_delivery

__all__ = ["open_delivery"]
