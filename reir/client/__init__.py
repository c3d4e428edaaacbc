"""The service from other software: the searches of ``reir.Gallery``, over HTTP."""

from reir.client.client import Client
from reir.client.connection import ServiceError, ServiceUnreachableError
from reir.client.records import ImageInfo, InstanceInfo, Job, JobFailedError, ServiceInfo, StageInfo

__all__ = [
    "Client",
    "ImageInfo",
    "InstanceInfo",
    "Job",
    "JobFailedError",
    "ServiceError",
    "ServiceInfo",
    "ServiceUnreachableError",
    "StageInfo",
]
