"""Checks a signed statement as docs/src/attest.md shows it, then with every bit of it flipped.

    attest.py STATEMENT KEY.pub
"""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf.json_format import Parse
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementProto
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

path, public = sys.argv[1:]
with open(public, "rb") as file:
    key = SSlibKey.from_crypto(load_pem_public_key(file.read()))


def check(text):
    envelope = Envelope.from_dict(json.loads(text))
    envelope.verify([key], threshold=1)
    assert json.dumps(envelope.to_dict(), separators=(",", ":")) == text
    return json.loads(envelope.payload)


with open(path, "rb") as file:
    whole = file.read()
statement = check(whole.decode())
# As in-toto's own classes understand statement and predicate: every field is known to them.
Statement.copy_from_pb(Parse(json.dumps(statement), StatementProto())).validate()
Parse(json.dumps(statement["predicate"]), Provenance())

believed = []
for place in range(len(whole)):
    for bit in range(8):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        try:
            check(changed.decode())
            believed.append([place, bit])
        except Exception:
            pass
print(json.dumps({"keyid": key.keyid, "statement": statement, "tried": 8 * len(whole), "believed": believed}))
