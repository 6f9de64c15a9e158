"""Runs stac-api-validator on an address, without a network: `python -m tests.conformance.judge_stac_api JSON`."""

import json
import logging
import sys
import traceback

from tests.conformance.offline import answer_from_disk


def main():
    """Print what it calls errors, and where it broke down itself, as JSON; takes the parameters of `validate_api`."""
    answer_from_disk()
    from stac_api_validator import validations  # it may ask for schemas at once

    logging.disable(logging.WARNING)
    found, failure = validations.Errors(), None
    validations.Errors = lambda: found  # what it found is not lost when it breaks down
    asked = json.loads(sys.argv[1])
    try:
        validations.validate_api(**{**asked, "query_config": validations.QueryConfig(**asked["query_config"])})
    except Exception:  # noqa: BLE001  # whatever it is
        failure = traceback.format_exc()
    sys.stdout.write(json.dumps({"errors": list(found), "failure": failure}))


if __name__ == "__main__":
    main()
