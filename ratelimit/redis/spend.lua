-- Spends the charges of one call, all or none: limiter.Window of package limiter, with the same names, in microseconds.
-- KEYS: each bucket once; behind them, where ARGV[3] > 0, the key by which the call is remembered.
-- ARGV: time in microseconds ('': this server's), milliseconds that keys stay longer than needed, milliseconds for which
-- the call is remembered (0: not at all), then for each charge: number of its bucket, limit, per, cost, and the cost
-- of it and of all charges before it on the same bucket.
-- Answer: 1 where the call has spent before and only looks, 1 where all is admitted, then for each charge: 1 where it is
-- admitted, remaining, reset, retry.
local ENTRIES, SLOTS, FIELDS = 32, 31, 5
local keep, remembered = tonumber(ARGV[2]), tonumber(ARGV[3])
local now
if ARGV[1] == '' then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
else
  now = tonumber(ARGV[1])
end

-- A state's log is at[first..n] with cost[first..n], oldest first; a key's value is its numbers in pairs, as doubles.
local function load(key)
  local s = {at = {}, cost = {}, first = 1, n = 0, spent = 0, key = key}
  local text = redis.call('GET', key)
  if not text then return s end
  s.n = math.floor(#text / 16)
  for i = 1, s.n do
    s.at[i], s.cost[i] = struct.unpack('<dd', text, 16 * i - 15)
    s.spent = s.spent + s.cost[i]
  end
  -- A clock that was set back: what was spent last was spent now, and all before it as much before.
  local ahead = s.at[s.n] - now
  if ahead > 0 then
    for i = 1, s.n do s.at[i] = s.at[i] - ahead end
    s.changed = true
  end
  return s
end

local function save(s)
  local parts = {}
  for i = s.first, s.n do parts[#parts + 1] = struct.pack('<dd', s.at[i], s.cost[i]) end
  local ttl = math.ceil((s.at[s.n] + s.per - now) / 1000) + keep
  redis.call('SET', s.key, table.concat(parts), 'PX', string.format('%.0f', ttl))
end

local function forget(s, per)
  while s.first <= s.n and now - s.at[s.first] >= per do
    s.spent = s.spent - s.cost[s.first]
    s.first = s.first + 1
  end
end

local function wait(s, c, cost)
  if cost > c.limit then return c.per end
  local excess = s.spent - (c.limit - cost)
  for i = s.first, s.n do
    excess = excess - s.cost[i]
    if excess <= 0 then return s.at[i] + c.per - now end
  end
  return 0
end

local function peek(c, cost)
  local s = c.state
  forget(s, c.per)
  local r = {ok = cost <= c.limit - s.spent, remaining = math.max(c.limit - s.spent, 0), reset = 0, retry = 0}
  if s.spent > 0 then r.reset = wait(s, c, r.remaining + 1) end
  if not r.ok then r.retry = wait(s, c, cost) end
  return r
end

local function same(a, b, slot)
  return a == b or (slot > 0 and math.floor(a / slot) == math.floor(b / slot))
end

local function merge(s, slot)
  local at, cost, n = {s.at[s.first]}, {s.cost[s.first]}, 1
  for i = s.first + 1, s.n do
    if not same(at[n], s.at[i], slot) then n = n + 1 end
    at[n], cost[n] = s.at[i], (cost[n] or 0) + s.cost[i]
  end
  s.at, s.cost, s.first, s.n = at, cost, 1, n
end

local function spend(c)
  if c.cost <= 0 then return end
  local s, slot = c.state, 0
  if c.limit > ENTRIES then slot = math.ceil(c.per / SLOTS) end
  s.changed, s.spent = true, s.spent + c.cost
  local join = s.first <= s.n and same(s.at[s.n], now, slot)
  if not join and s.n - s.first + 1 >= ENTRIES then
    merge(s, slot)
    join = s.n >= ENTRIES
  end
  if join then
    s.at[s.n], s.cost[s.n] = now, s.cost[s.n] + c.cost
  else
    s.n = s.n + 1
    s.at[s.n], s.cost[s.n] = now, c.cost
  end
end

local states, charges = {}, {}
local buckets, again = #KEYS, 0
if remembered > 0 then
  buckets = buckets - 1
  again = redis.call('EXISTS', KEYS[#KEYS])
end
for i = 1, buckets do states[i] = load(KEYS[i]) end
for i = 4, #ARGV, FIELDS do
  local c = {state = states[tonumber(ARGV[i])], limit = tonumber(ARGV[i + 1]), per = tonumber(ARGV[i + 2]),
    cost = tonumber(ARGV[i + 3]), asked = tonumber(ARGV[i + 4])}
  if again == 1 then c.cost, c.asked = 0, 0 end
  c.state.per = math.max(c.state.per or 0, c.per)
  charges[#charges + 1] = c
end

local all, results = 1, {}
for i, c in ipairs(charges) do
  results[i] = peek(c, c.asked)
  if not results[i].ok then all = 0 end
end
if all == 1 then
  for _, c in ipairs(charges) do spend(c) end
end
for _, s in ipairs(states) do
  if s.changed and s.first <= s.n then save(s) end
end
if all == 1 then
  for i, c in ipairs(charges) do results[i] = peek(c, 0) end
  if remembered > 0 and again == 0 then redis.call('SET', KEYS[#KEYS], '', 'PX', ARGV[3]) end
end

local out = {again, all}
for _, r in ipairs(results) do
  out[#out + 1] = r.ok and 1 or 0
  out[#out + 1] = r.remaining
  out[#out + 1] = r.reset
  out[#out + 1] = r.retry
end
return out
