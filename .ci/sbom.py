"""Print a bill of materials of a built wheel as CycloneDX 1.5 JSON: the wheel's own files and all that it needs.

``python .ci/sbom.py dist/sinkest-0.1.0-py3-none-any.whl >sbom.json``, with the Python of an environment into which the
wheel was installed. Equal wheels in equal environments give equal bytes: no time and no random number stands in it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
import zipfile
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from licences import closure, licence


def described(wheel: Path) -> tuple[str, str, list[dict[str, Any]]]:
    """Name, release, and each file of a wheel with its SHA-256."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = BytesParser().parsebytes(archive.read(metadata))
        files = [
            {
                "type": "file",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(archive.read(name)).hexdigest()}],
            }
            for name in sorted(archive.namelist())
            if not name.endswith("/")
        ]
    return str(said["Name"]), str(said["Version"]), files


def component(name: str, release: str, said: str) -> dict[str, Any]:
    """A package of the index."""
    url = f"pkg:pypi/{name}@{release}"
    entry: dict[str, Any] = {"type": "library", "bom-ref": url, "name": name, "version": release, "purl": url}
    if said != "?":
        entry["licenses"] = [{"license": {"name": said}}]
    return entry


def bill(wheel: Path) -> dict[str, Any]:
    """The whole bill."""
    name, release, files = described(wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    needed = {key: held for key, held in closure(name).items() if key != name}
    url = f"pkg:pypi/{name}@{release}"
    own = component(name, release, "Apache-2.0") | {
        "type": "application",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "components": files,
    }
    parts = [component(key, held.version, licence(held)) for key, held in sorted(needed.items())]
    if not parts or not any(file["name"] == f"{name}/__init__.py" for file in files):
        sys.exit(f"{wheel} holds no {name}, or {name} {release} is not installed here")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32])}",
        "version": 1,
        "metadata": {"component": own},
        "components": parts,
        "dependencies": [{"ref": url, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


if __name__ == "__main__":
    json.dump(bill(Path(sys.argv[1])), sys.stdout, indent=1, sort_keys=True)
    print()
