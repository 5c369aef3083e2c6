"""Webhooks: word of jobs that have ended, posted to the URLs that were named for it, until somebody took it.

`records` is what there is to tell, `events` how it is told, `secrets` who vouches for it, `schedule` when; `sender`
does one attempt, `outbox` hands attempts out, `deliveries` makes them, `servicer` tells callers of them.
"""
