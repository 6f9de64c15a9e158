-- Asks for the addresses of a file in turn (a line is PATH, a tab, and an ETag or nothing); prints one line of JSON.
local count = 0

function setup(thread)
    thread:set("number", count)
    count = count + 1
end

function init(arguments)
    requests = {}
    for line in io.lines(arguments[1]) do
        local path, etag = line:match("^(.-)\t(.*)$")
        requests[#requests + 1] = wrk.format("GET", path, etag ~= "" and {["If-None-Match"] = etag} or {})
    end
    asked = math.floor(number * #requests / 2) -- two threads start half a list apart
end

function request()
    asked = asked % #requests + 1
    return requests[asked]
end

function done(summary, latency)
    local errors = summary.errors
    local failures = errors.status + errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format('\n{"requests": %d, "seconds": %.4f, "p50_ms": %.4f, "failures": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, failures))
end
