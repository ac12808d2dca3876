"""What every Python host shares to talk to the Trackmatte engine: standard library only, Python 3.7 on.

from trackmatte_client import Job, find_or_start
client = find_or_start()
shot = client.open_shot("/shots/hero.shot.json")
job = Job(client, client.track(shot.shot).job)
...                                     # on a timer: for event in job.poll(): ...
"""

from .client import Address, Client
from .engine import find, find_or_start
from .errors import ClientTooOld, EngineDied, EngineError, EngineMissing, EngineTooOld, Stale
from .host import Host, HostClip
from .job import Job

__all__ = [
    "Address",
    "Client",
    "ClientTooOld",
    "EngineDied",
    "EngineError",
    "EngineMissing",
    "EngineTooOld",
    "Host",
    "HostClip",
    "Job",
    "Stale",
    "find",
    "find_or_start",
]
