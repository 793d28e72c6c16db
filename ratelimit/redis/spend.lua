-- Spends the charges of some calls, one call after the other, each all or nothing: what package limiter does, with its words, in
-- microseconds.
-- KEYS: for each call, the bucket of each of its charges, then, where it is to be remembered, the key by which it is.
-- ARGV[1]: doubles: the time (0: this server's), milliseconds that keys stay longer than needed, milliseconds for which calls are
-- remembered. Then for each call a byte: 1 where it is remembered, a byte: how many charges it has, and for each of those bytes: kind
-- and flags (1 shadow, 2 always, 4 grant, 8 beyond), and doubles: limit, per, what is admitted at once, cost, and what may be spent beyond
-- the cost; of a quota, six more: when periods begin, the third of them that of who asks.
-- Answer: for each call a byte (1 admitted, 2 it has spent before and only looks, 4 a key holds something else), then for each
-- charge a byte: 1 where it is admitted, and doubles: remaining, reset, retry, what was spent beyond the cost.
-- settle spends what is to be spent of a call.
local function settle(cs, all)
  local spent = false
  for _, c in ipairs(cs) do
    if (all or c.flags % 4 >= 2) and c.ok and (c.cost ~= 0 or c.more > 0) then
      spent = true
      if c.cost > 0 then spend(c, c.cost) elseif c.cost < 0 then refund(c) end
      if c.more > 0 and all then
        peek(c, 0)
        c.got = min(c.more, floor(c.left / 2))
        if c.got > 0 then spend(c, c.got) end
      end
    end
  end
  for _, c in ipairs(cs) do
    local ok, t = c.ok, c.retry
    if spent then peek(c, 0) end -- Only now, as charges on one bucket add up.
    c.ok, c.retry = ok, t
  end
end

local states, ids, key, out, stop = {}, {}, 0, {}, #text

-- charge reads a charge.
local function charge()
  local c, per, burst = {got = 0}
  c.kind, c.flags, c.limit, c.per, c.most, c.cost, c.more, at = unpack('<BBddddd', text, at)
  if c.kind == QUOTA then
    local b = {}
    b[1], b[2], b[3], b[4], b[5], b[6], at = unpack('<dddddd', text, at)
    c.borders = b
  end
  key = key + 1
  local name = KEYS[key]
  local s = states[name]
  if s == nil then
    s = load(name, c.kind) or false
    states[name] = s
  end
  if s then s.asked = 0 end
  c.s = s
  return c
end

while at <= stop do
  local once, n, id, again
  once, n, at = unpack('<BB', text, at)
  local cs, all, broken = {}, true, false
  for i = 1, n do
    cs[i] = charge()
    broken = broken or not cs[i].s
  end
  if once == 1 then
    key = key + 1
    id = KEYS[key]
    again = ids[id] or rcall('EXISTS', id) == 1
  end
  if broken then
    insert(out, '\4')
  else
    for i = 1, n do
      local c = cs[i]
      if again then c.cost, c.more = 0, 0 end
      local asked = c.s.asked + max(c.cost, 0)
      peek(c, asked)
      c.s.asked = min(asked, WHOLE / 2)
      if c.cost < 0 or c.flags >= 8 then c.ok, c.retry = true, 0 end
      if not c.ok and c.flags % 2 == 0 then all = false end
    end
    settle(cs, all)
    if id and all and not again then ids[id] = true end
    insert(out, string.char((all and 1 or 0) + (again and 2 or 0)))
    for i = 1, n do
      local c = cs[i]
      insert(out, pack('<Bdddd', c.ok and 1 or 0, c.left, c.reset, c.retry, c.got))
    end
  end
end
for _, s in pairs(states) do
  if s and s.window then
    local t = empty(s, s.window)
    if t > now then save(s, t) else rcall('DEL', s.name) end
  end
end
for id in pairs(ids) do rcall('SET', id, '', 'PX', remembered) end
return concat(out)
