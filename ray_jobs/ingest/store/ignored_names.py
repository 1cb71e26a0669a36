"""Names of files that programs leave beside the ones that people put there: nobody misses them in a search."""

from __future__ import annotations

FOLDERS = frozenset({
    # macOS
    "__MACOSX", ".AppleDouble", ".Trash", ".Trashes", ".Spotlight-V100", ".fseventsd", ".TemporaryItems",
    # Windows and Linux
    "$RECYCLE.BIN", "System Volume Information", "lost+found", ".thumbnails",
    # network storage: Synology's thumbnails and bin, snapshots that repeat the whole folder
    "@eaDir", "#recycle", "@Recycle", "#snapshot", ".snapshot", ".snapshots", ".zfs",
    # older versions and bins of Syncthing, Resilio Sync, Dropbox and digiKam
    ".stversions", ".sync", ".dropbox.cache", ".dtrash",
    # unfinished output of Hadoop and Spark
    "_temporary",
})  # fmt: skip

FOLDER_PREFIXES = (".Trash-", ".spark-staging", ".hive-staging")

FILE_PREFIXES = ("._", "~$", ".~", ".trashed-", ".pending-")
"""AppleDouble files (resource forks, which have the suffix of their file), the lock files of office programs, and what
Android has deleted or not yet written to its end.

Temporary names such as `x.pdf.part` and `Thumbs.db` have the suffix of no pipeline, and need no rule.
"""


def is_ignored_folder(name: str) -> bool:
    """Whether everything in a folder of this name (without slashes) is ignored."""
    return name in FOLDERS or name.startswith(FOLDER_PREFIXES)


def is_ignored(path: str) -> bool:
    """Whether an object is ignored.

    Args:
        path: its path below the source; folders that the source itself names are wanted.
    """
    *folders, name = path.split("/")
    return name.startswith(FILE_PREFIXES) or any(map(is_ignored_folder, folders))
