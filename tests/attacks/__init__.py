"""Attacks on a whole running stack, made from what it publishes, so that no new method or endpoint is left out.

methods.py reads every gRPC method from the protos' descriptors, operations.py every REST operation from the gateway's
OpenAPI document; registry.py knows what their id-like fields mean. A field that it does not know fails the tests: the
registry has to learn it.
"""
