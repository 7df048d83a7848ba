# job.sh - stands for the job: two ways that are open, and three that are not.
try() {
    echo "$*"
    "$@" || echo "  failed: $?"
}
try curl -sS https://packages.example.net/simple/ # by the proxy: on the list
try curl -sS http://192.0.2.10/                   # the service
try curl -sS https://example.com/                 # by the proxy: not on the list
try curl -sS --max-time 5 http://192.0.2.10:443/  # another port of the service
try curl -sS --noproxy '*' --max-time 5 http://1.1.1.1/
