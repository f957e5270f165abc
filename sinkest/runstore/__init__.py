"""Run folders: everything a run writes goes through here, sealed and durable."""

from sinkest.runstore.store import (
    MANIFEST,
    SEALS,
    Problem,
    RunStore,
    atomic_path,
    canonical_json,
    code_version,
    content_key,
    environment,
    file_sha256,
    make_folder,
    pretty_json,
    read_json,
    write_bytes,
)

__all__ = [
    "MANIFEST",
    "SEALS",
    "Problem",
    "RunStore",
    "atomic_path",
    "canonical_json",
    "code_version",
    "content_key",
    "environment",
    "file_sha256",
    "make_folder",
    "pretty_json",
    "read_json",
    "write_bytes",
]
