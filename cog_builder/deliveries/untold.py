"""What many documents do not tell, said once for all dialects."""

from datetime import datetime

from cog_builder.gains import Coefficients
from cog_builder.sensor import Band


class Untold:
    """Members of `ImageMetadata`; a dialect overrides those that its documents tell."""

    delivered_apart = False
    sun_error_deg = 0.5

    @property
    def assumed(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

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

    def coefficients(self, bands: tuple[Band, ...]) -> Coefficients | None:
        """Not told."""
        return None

    def integration_times_ms(self) -> tuple[float, ...] | None:
        """Not told."""
        return None
