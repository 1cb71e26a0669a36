"""The contract with the job scripts in ``ray_jobs/``: their pipelines, the collections they write, their exit codes."""

from __future__ import annotations

from collections.abc import Mapping

from ray_jobs_api.failures import FailureReason

COLLECTIONS = {"pdfs": ("documents",), "images": ("images",), "videos": ("video_segments", "video_frames")}
"""The collections of each pipeline. The outlet assets of its tasks have their names."""

EXIT_CODES: Mapping[int, FailureReason] = {
    2: FailureReason.CONFIGURATION,
    3: FailureReason.TOO_MANY_FAILED,
    4: FailureReason.DEPENDENCY,
}
"""The meaning of the scripts' exit codes, for ``RayOperator``."""
