"""What many documents do not tell, said once for all dialects."""

from datetime import datetime
from pathlib import Path

from cog_builder.deliveries.metadata import Tags
from cog_builder.gains import Calibration
from cog_builder.sensor import Band


class Untold:
    """Members of `ImageMetadata` for a dialect of one document per image; it overrides those its documents tell."""

    tags: Tags
    delivered_apart = False
    sun_error_deg = 0.5

    @property
    def assumed(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def documents(self) -> tuple[Path, ...]:
        """The one XML file."""
        return (self.tags.path,)

    @property
    def orbit(self) -> int | None:
        """Not told."""
        return None

    @property
    def band_count(self) -> int | None:
        """Not told."""
        return None

    @property
    def shape(self) -> tuple[int, int] | None:
        """Not told."""
        return None

    @property
    def receive_time(self) -> datetime | None:
        """Not told."""
        return None

    @property
    def incidence_angle(self) -> float | None:
        """Not told."""
        return None

    @property
    def view_azimuth(self) -> float | None:
        """Not told."""
        return None

    @property
    def cloud_cover(self) -> float | None:
        """Not told."""
        return None

    def calibration(self, bands: tuple[Band, ...]) -> Calibration | None:
        """Not told."""
        return None

    def integration_times_ms(self) -> tuple[float, ...] | None:
        """Not told."""
        return None
