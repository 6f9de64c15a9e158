"""What can be wrong with a delivery or a build.

CogBuilderError
 ├ UnrecognisedDeliveryError   no reader knows this folder or archive
 ├ UnsafeArchiveError          the archive breaks a rule for untrusted archives (T10, L28, L29)
 ├ IncompleteDeliveryError     a file of the product is missing or cut short
 ├ WrongChecksumError          the delivery is not what the checksum beside it says
 ├ BadMetadataError            a tag or coefficient is missing, impossible or contradicts the image
 ├ GeolocationError            the scene cannot be placed on the ground (no elevation, RPC off the earth)
 ├ UnreadableImageError        the delivered TIFF cannot be decoded within its limits
 ├ BuildResourceError          the machine ran out of memory or time
 │  ├ DiskFullError            there is no room for what has to be written
 │  └ WorkerLostError          every worker that took the job died
 └ InvalidCogError             a file that was written does not pass its checks
"""


class CogBuilderError(Exception):
    """Base of all refusals: the message names the scene, the file, what was found and what was expected."""

    code = "build_failed"


class UnrecognisedDeliveryError(CogBuilderError):
    """No reader knows this folder or archive."""

    code = "unrecognised_delivery"


class UnsafeArchiveError(CogBuilderError):
    """The archive breaks a rule for untrusted archives."""

    code = "unsafe_archive"


class IncompleteDeliveryError(CogBuilderError):
    """A file of the product is missing or cut short."""

    code = "incomplete_delivery"


class WrongChecksumError(CogBuilderError):
    """The delivery is not what the checksum beside it says."""

    code = "wrong_checksum"


class BadMetadataError(CogBuilderError):
    """A tag or coefficient is missing, impossible or contradicts the image."""

    code = "bad_metadata"


class GeolocationError(CogBuilderError):
    """The scene cannot be placed on the ground."""

    code = "geolocation"


class UnreadableImageError(CogBuilderError):
    """The delivered TIFF cannot be decoded within its limits."""

    code = "unreadable_image"


class BuildResourceError(CogBuilderError):
    """The machine ran out of memory or time."""

    code = "resource"


class DiskFullError(BuildResourceError):
    """The file system, the quota or the file size limit leaves no room for what has to be written."""

    code = "disk_full"


class WorkerLostError(BuildResourceError):
    """Every worker that took the job died."""

    code = "worker_lost"


class InvalidCogError(CogBuilderError):
    """A file that was written does not pass its checks."""

    code = "invalid_cog"
