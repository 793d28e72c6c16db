-- Spends the charges of some calls, one call after the other, each all or nothing: what package limiter does, with its words, in
-- microseconds.
-- KEYS: for each call, the bucket of each of its charges, then, where it is to be remembered, the key by which it is.
-- ARGV[1]: doubles: the time (0: this server's), milliseconds that keys stay longer than needed, milliseconds for which calls are
-- remembered. Then for each call a byte: 1 where it is remembered, a byte: how many charges it has, and for each of those bytes: kind
-- and flags (1 shadow, 2 always, 4 grant), and doubles: limit, per, burst, cost, and what may be spent beyond the cost.
-- Answer: for each call a byte (1 admitted, 2 it has spent before and only looks, 4 a key holds something else), then for each
-- charge a byte: 1 where it is admitted, and doubles: remaining, reset, retry, what was spent beyond the cost.
local unpack, pack, sub, floor, ceil = struct.unpack, struct.pack, string.sub, math.floor, math.ceil
local rcall, pcall = redis.call, redis.pcall
local ENTRIES, SLOTS = 32, 31
local text = ARGV[1]
local now, keep, remembered, at = unpack('<ddd', text)
if now == 0 then
  local t = rcall('TIME')
  now = t[1] * 1000000 + t[2]
end

-- A value is a byte, the kind, then doubles. Sliding: what is spent, then its log in pairs, oldest first: when and how much. While
-- it is worked on, a log is text from byte first on, without its last pair, and that pair: last, cost.
local function load(key, kind)
  local s = {key = key, kind = kind, spent = 0}
  local v = pcall('GET', key)
  if not v then return s end
  if type(v) ~= 'string' then return nil end
  if #v < 25 then return s end
  local n = #v
  s.text, s.first, s.stop = v, 10, n - 16
  s.spent = unpack('<d', v, 2)
  s.last, s.cost = unpack('<dd', v, n - 15)
  local ahead = s.last - now
  if ahead > 0 then
    -- The clock was set back: what was spent last was spent now, and all before it as much before.
    local parts = {}
    for i = 10, n - 31, 16 do
      local t, c = unpack('<dd', v, i)
      parts[#parts + 1] = pack('<dd', t - ahead, c)
    end
    s.text, s.first = table.concat(parts), 1
    s.stop, s.last, s.changed = #s.text, now, true
  end
  return s
end

-- oldest is the first pair of a log.
local function oldest(s)
  if s.first <= s.stop then return unpack('<dd', s.text, s.first) end
  return s.last, s.cost
end

local function forget(s, per)
  local past = now - per
  while s.last do
    local t, c = oldest(s)
    if t > past then return t end
    s.spent = s.spent - c
    if s.first <= s.stop then s.first = s.first + 16 else s.last, s.spent = nil, 0 end
  end
end

local function wait(s, limit, per, cost)
  if cost > limit then return per end
  local excess = s.spent - (limit - cost)
  for i = s.first, s.stop, 16 do
    local t, c = unpack('<dd', s.text, i)
    excess = excess - c
    if excess <= 0 then return t + per - now end
  end
  return s.last + per - now
end

local function peek(s, limit, per, cost)
  local t = forget(s, per)
  local left = limit - s.spent
  local ok, reset, retry = cost <= left, 0, 0
  if t then
    if left >= 0 then reset = t + per - now else reset = wait(s, limit, per, 1) end
  end
  if not ok then
    if cost > limit then retry = per else retry = wait(s, limit, per, cost) end
  end
  if left < 0 then left = 0 end
  return ok, left, reset, retry
end

local function same(a, b, slot)
  return a == b or (slot > 0 and floor(a / slot) == floor(b / slot))
end

local function merge(s, slot)
  local parts, t, c = {}, oldest(s)
  for i = s.first + 16, s.stop, 16 do
    local t2, c2 = unpack('<dd', s.text, i)
    if same(t, t2, slot) then
      t, c = t2, c + c2
    else
      parts[#parts + 1] = pack('<dd', t, c)
      t, c = t2, c2
    end
  end
  if same(t, s.last, slot) then
    s.cost = s.cost + c
  else
    parts[#parts + 1] = pack('<dd', t, c)
  end
  s.text, s.first = table.concat(parts), 1
  s.stop = #s.text
end

local function spend(s, limit, per, cost)
  s.changed, s.spent = true, s.spent + cost
  if not s.last then
    s.text, s.first, s.stop, s.last, s.cost = '', 1, 0, now, cost
    return
  end
  local slot = 0
  if limit > ENTRIES then slot = ceil(per / SLOTS) end
  local join = same(s.last, now, slot)
  if not join and s.stop - s.first + 1 >= 16 * (ENTRIES - 1) then
    merge(s, slot)
    join = s.stop - s.first + 1 >= 16 * (ENTRIES - 1)
  end
  if join then
    s.last, s.cost = now, s.cost + cost
  else
    s.text = sub(s.text, s.first, s.stop) .. pack('<dd', s.last, s.cost)
    s.first, s.stop, s.last, s.cost = 1, #s.text, now, cost
  end
end

local function save(s)
  if not s.last then return end
  local v = pack('<Bd', s.kind, s.spent) .. sub(s.text, s.first, s.stop) .. pack('<dd', s.last, s.cost)
  rcall('SET', s.key, v, 'PX', ceil((s.last + s.per - now) / 1000) + keep)
end

local states, changed, key, out, ids = {}, {}, 0, {}, {}
local stop = #text
while at <= stop do
  local once, n
  once, n, at = unpack('<BB', text, at)
  local cs, broken = {}, false
  for i = 1, n do
    local c = {}
    c.kind, c.flags, c.limit, c.per, c.burst, c.cost, c.more, at = unpack('<BBddddd', text, at)
    key = key + 1
    local name = KEYS[key]
    local s = states[name]
    if s == nil then
      s = load(name, c.kind) or false
      states[name] = s
    end
    if s then
      if not s.per or s.per < c.per then s.per = c.per end
      s.asked = 0
    else
      broken = true
    end
    c.s, cs[i] = s, c
  end
  local id, again
  if once == 1 then
    key = key + 1
    id = KEYS[key]
    again = ids[id] or rcall('EXISTS', id) == 1
  end
  if broken then
    out[#out + 1] = '\4'
  else
    local all = true
    for i = 1, n do
      local c = cs[i]
      if again then c.cost, c.more = 0, 0 end
      local asked = c.s.asked + c.cost
      c.s.asked = asked
      c.ok, c.left, c.reset, c.retry = peek(c.s, c.limit, c.per, asked)
      if not c.ok then all = false end
    end
    if all then
      for i = 1, n do
        local c = cs[i]
        if c.cost > 0 then spend(c.s, c.limit, c.per, c.cost) changed[c.s] = true end
      end
      for i = 1, n do
        local c = cs[i]
        c.ok, c.left, c.reset, c.retry = peek(c.s, c.limit, c.per, 0)
      end
      if id and not again then ids[id] = true end
    end
    out[#out + 1] = string.char((all and 1 or 0) + (again and 2 or 0))
    for i = 1, n do
      local c = cs[i]
      out[#out + 1] = pack('<Bdddd', c.ok and 1 or 0, c.left, c.reset, c.retry, 0)
    end
  end
end
for _, s in pairs(states) do
  if s and s.changed then save(s) end
end
for id in pairs(ids) do rcall('SET', id, '', 'PX', remembered) end
return table.concat(out)
