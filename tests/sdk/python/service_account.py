"""Prints the JSON of a service account with a fresh key; its argument is where the account's tokens come from."""

import json
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def service_account(token_uri):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": key.private_bytes(*form).decode(),
        "client_email": "gateway@p.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }


if __name__ == "__main__":
    print(json.dumps(service_account(sys.argv[1])))
