"""An addon for mitmdump: one JSON line for each answered request, in the file `flow_log`."""

import json

from mitmproxy import ctx


def load(loader):
    """Take the option --set flow_log=FILE."""
    loader.add_option("flow_log", str, "", "Where to write a line for each flow.")


def response(flow):
    """mitmproxy calls this before it hands the answer to the client."""
    line = {
        "client": flow.client_conn.peername[0],
        "method": flow.request.method,
        "url": flow.request.pretty_url,
        "status": flow.response.status_code,
        "server": flow.server_conn.address[0],
    }
    with open(ctx.options.flow_log, "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
