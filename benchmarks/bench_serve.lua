-- Sends the prepared bodies of a file, one a line, in turn; prints the figures of the run as one line of JSON.
-- wrk ... bench_serve.lua URL -- BODIES START
local bodies = {}
local place = 0
local headers = { ["Content-Type"] = "application/json" }

function init(arguments)
   for line in io.lines(arguments[1]) do
      bodies[#bodies + 1] = line
   end
   place = tonumber(arguments[2])
end

function request()
   place = place % #bodies + 1
   return wrk.format("POST", nil, headers, bodies[place])
end

function done(summary, latency, _)
   local failed = summary.errors
   print(string.format(
      '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
