-- Spends the charges of some calls, one call after the other, each all or nothing: what package limiter does, with its words, in
-- microseconds.
-- KEYS: for each call, the bucket of each of its charges, then, where it is to be remembered, the key by which it is.
-- ARGV[1]: doubles: the time (0: this server's), milliseconds that keys stay longer than needed, milliseconds for which calls are
-- remembered. Then for each call a byte: 1 where it is remembered, a byte: how many charges it has, and for each of those bytes: kind
-- and flags (1 shadow, 2 always, 4 grant, 8 beyond), and doubles: limit, per, what is admitted at once, cost, and what may be spent beyond
-- the cost; of a quota, six more: when periods begin, the third of them that of who asks.
-- Answer: for each call a byte (1 admitted, 2 it has spent before and only looks, 4 a key holds something else), then for each
-- charge a byte: 1 where it is admitted, and doubles: remaining, reset, retry, what was spent beyond the cost.

-- stands fills in how a bucket stands after something was spent from it. Charges on one bucket add up, so it is asked only then.
local function stands(c)
  local ok, t = c.ok, c.retry
  peek(c, 0)
  c.ok, c.retry = ok, t
end

-- borrow spends beyond the cost of a charge, at most half of what remains.
local function borrow(c)
  stands(c)
  c.got = min(c.more, floor(c.left / 2))
  if c.got > 0 then
    spend(c, c.got)
    stands(c)
  end
end

-- settle spends what is to be spent of the charges of a call.
local function settle(cs, n, all)
  local spent = false
  for i = 1, n do
    local c = cs[i]
    if c.ok and c.cost ~= 0 and (all or c.flags % 4 >= 2) then
      spent = true
      if c.cost > 0 then spend(c, c.cost) else refund(c) end
      if c.more > 0 and all then borrow(c) end
    end
  end
  if spent then
    for i = 1, n do stands(cs[i]) end
  end
end

local states, key

-- charge reads a charge.
local function charge()
  local kind, flags, limit, per, most, cost, more, after = unpack('<BBddddd', text, at)
  local borders = nil
  if kind == QUOTA then
    local b1, b2, b3, b4, b5, b6, b7 = unpack('<dddddd', text, after)
    borders, after = {b1, b2, b3, b4, b5, b6}, b7
  end
  at, key = after, key + 1
  local name = keys[key]
  local s = states[name]
  if s == nil then
    s = load(name, kind) or false
    states[name] = s
  end
  if s then s.asked = 0 end
  return {
    kind = kind, flags = flags, limit = limit, per = per, most = most, cost = cost, more = more, borders = borders, s = s, got = 0,
    ok = false, left = 0, reset = 0, retry = 0
  }
end

-- simple spends a call of one charge that is no more than a cost, and is by far the most usual: the same as below, with less ado.
local function simple(c)
  peek(c, c.cost)
  if c.ok and c.cost > 0 then
    local granted = c.s.left
    spend(c, c.cost)
    if granted then
      stands(c)
    else
      c.left = c.left - c.cost
      c.reset = wait(c.s, c, c.left + 1)
    end
  end
  return c.ok
end

-- all_or_nothing spends a call and says whether it is admitted.
local function all_or_nothing(cs, n)
  local all = true
  for i = 1, n do
    local c = cs[i]
    local asked = min(c.s.asked + max(c.cost, 0), WHOLE / 2)
    peek(c, asked)
    c.s.asked = asked
    if c.cost < 0 or c.flags >= 8 then c.ok, c.retry = true, 0 end
    if not c.ok and c.flags % 2 == 0 then all = false end
  end
  settle(cs, n, all)
  return all
end

local function run(names, args)
  unpack, pack, sub, rcall, pcall = struct.unpack, struct.pack, string.sub, redis.call, redis.pcall
  floor, ceil, min, max, insert, concat, char = math.floor, math.ceil, math.min, math.max, table.insert, table.concat, string.char
  keys, text = names, args[1]
  now, keep, remembered, at = unpack('<ddd', text)
  if now == 0 then
    local t = rcall('TIME')
    now = t[1] * 1000000 + t[2]
  end
  states, key = {}, 0
  local out, told, stop = {}, 0, #text
  while at <= stop do
    local once, n, after = unpack('<BB', text, at)
    at = after
    local cs, all, broken, again, id = {}, false, false, false, nil
    for i = 1, n do
      local c = charge()
      cs[i] = c
      broken = broken or not c.s
    end
    if once == 1 then
      key = key + 1
      id = keys[key]
      again = not rcall('SET', id, '', 'PX', remembered, 'NX')
      if again then
        for i = 1, n do cs[i].cost, cs[i].more = 0, 0 end
      end
    end
    told = told + 1
    if broken then
      out[told] = '\4'
    else
      local c = cs[1]
      if n == 1 and c.flags == 0 and c.cost >= 0 and c.more == 0 then all = simple(c) else all = all_or_nothing(cs, n) end
      out[told] = char((all and 1 or 0) + (again and 2 or 0))
      for i = 1, n do
        c = cs[i]
        told = told + 1
        out[told] = pack('<Bdddd', c.ok and 1 or 0, c.left, c.reset, c.retry, c.got)
      end
    end
    if id and not all and not again then rcall('DEL', id) end
  end
  for _, s in pairs(states) do
    if s and s.window then
      local t = empty(s, s.window)
      if t > now then save(s, t) else rcall('DEL', s.name) end
    end
  end
  return concat(out)
end
