"""Validates a folder as a Workflow Run RO-Crate with roc-validator, and prints what it finds as JSON.

It fetches nothing: the terms of RO-Crate 1.1 come from the package rocrate, and no other address is asked for.
"""

import importlib.util
import json
import pathlib
import sys

import requests
from requests.adapters import HTTPAdapter

CONTEXT = pathlib.Path(importlib.util.find_spec("rocrate").origin).parent / "data" / "ro-crate.jsonld"


def send(_adapter, request, **_options):
    answer = requests.Response()
    answer.request, answer.url, answer.status_code = request, request.url, 404
    if request.url == "https://w3id.org/ro/crate/1.1/context":
        answer.status_code, answer._content = 200, CONTEXT.read_bytes()
        answer.headers["Content-Type"] = "application/ld+json"
    else:
        print(f"not fetched: {request.url}", file=sys.stderr)
    return answer


HTTPAdapter.send = send

from rocrate_validator import services  # noqa: E402

result = services.validate(
    {
        "rocrate_uri": sys.argv[1],
        "profile_identifier": "workflow-run-crate",
        "requirement_severity": "RECOMMENDED",
        "no_cache": True,
    }
)
issues = [
    {"severity": issue.severity.name, "check": issue.check.identifier, "message": issue.message}
    for issue in result.get_issues()
]
profiles = sorted(profile.identifier for profile in result.context.profiles)
print(json.dumps({"profiles": profiles, "issues": issues}, indent=1))
