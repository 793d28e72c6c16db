-- What package limiter does, with its words, in microseconds: spend.lua follows it in the same script, whose function run begins
-- each time. What is local to the whole file is of one run; the libraries come with it too, as there are none while a function is
-- taken in.
local unpack, pack, sub, floor, ceil, min, max, rcall, pcall, insert, concat, char
local keys, text, now, keep, remembered, at
local SLIDING, FIXED, QUOTA = 0, 2, 4
local ENTRIES, SLOTS, WHOLE, LONGEST = 32, 31, 2 ^ 53, 2 ^ 45

-- A value is a byte: the kind, and 8 more where there is a grant; then doubles: what is spent, since when (of a sliding window: 0),
-- of a grant when it was given and what is left of it; then, of what drains, the limit and per by which it does; of a sliding window,
-- its log in pairs, oldest first: when and how much. While it is worked on, a log is s.text from byte s.first to s.stop, and behind that its last pair: s.last, s.cost.
local function load(name, kind)
  local s = {
    name = name, kind = kind, spent = 0, at = 0, asked = 0, window = false, limit = false, per = false, left = false, given = false,
    text = false, first = 0, stop = 0, last = false, cost = 0
  }
  local v = pcall('GET', name)
  if not v then return s end
  if type(v) ~= 'string' then return nil end
  local n = #v
  if n < 17 then return s end
  local tag, spent, since, first = unpack('<Bdd', v)
  if tag % 8 ~= kind then return s end
  s.spent, s.at = spent, since
  if tag >= 8 then s.given, s.left, first = unpack('<dd', v, first) end
  if kind == SLIDING and n >= first + 15 then
    s.text, s.first, s.stop = v, first, n - 16
    s.last, s.cost = unpack('<dd', v, n - 15)
  elseif n >= first + 15 then
    s.limit, s.per = unpack('<dd', v, first)
  end
  return s
end

-- save keeps a state for as long as it counts.
local function save(s, empty)
  local head, log = pack('<Bdd', s.kind, s.spent, s.at), ''
  if s.left then head = pack('<Bdddd', s.kind + 8, s.spent, s.at, s.given, s.left) end
  if s.last then
    log = sub(s.text, s.first, s.stop) .. pack('<dd', s.last, s.cost)
  elseif s.limit then
    log = pack('<dd', s.limit, s.per)
  end
  rcall('SET', s.name, head .. log, 'PX', min(ceil((empty - now) / 1000), LONGEST) + keep)
end

-- muldiv returns (a * b + add) / c, rounded down, where a < c.
local function muldiv(a, b, c, add)
  if a * b + add < WHOLE then return floor((a * b + add) / c) end
  local step = 16
  if c < 2 ^ 36 then step = 65536 end
  local digits, q, r = {}, 0, 0
  while b > 0 do
    insert(digits, b % step)
    b = floor(b / step)
  end
  for i = #digits, 1, -1 do
    r = r * step + a * digits[i]
    local whole = floor(r / c)
    q, r = q * step + whole, r - whole * c
  end
  return q + floor((r + add) / c)
end

-- Paced and Tokens.
local function drain_time(w, cost)
  if w.limit <= 0 then return w.per end
  local part = cost % w.limit
  return (cost - part) / w.limit * w.per + muldiv(part, w.per, w.limit, w.limit - 1)
end

-- drained is what has gone of what is spent, by the numbers by which it was spent.
local function drained(s)
  local gone = now - s.at
  if gone <= 0 or not s.limit or s.limit <= 0 then return 0 end
  return min(floor(gone / s.per) * s.limit + muldiv(gone % s.per, s.limit, s.per, 0), s.spent)
end

local function drain(s, w)
  if s.spent <= 0 then
    s.spent, s.at = 0, 0
    return
  end
  if s.at > now then s.at, s.window = now, w end
  if s.limit ~= w.limit or s.per ~= w.per then
    s.spent, s.at, s.limit, s.per, s.window = s.spent - drained(s), now, w.limit, w.per, w
  end
  local passed = now - s.at
  if passed >= drain_time(w, s.spent) then
    s.spent, s.at, s.window = 0, 0, w
  elseif passed >= w.per and w.limit > 0 then
    local pers = floor(passed / w.per)
    s.at, s.spent, s.window = s.at + pers * w.per, s.spent - pers * w.limit, w
  end
end

-- Fixed and Quota: when the period that holds a moment begins and ends.
local function period(w, t)
  if w.kind == FIXED then
    local start = t - t % w.per
    return start, start + w.per
  end
  local b = w.borders
  for i = 1, 5 do
    if t < b[i + 1] then return b[i], b[i + 1] end
  end
  return b[6], 2 * b[6] - b[5]
end

local function next_period(w, t)
  local _, stop = period(w, now)
  if t >= stop then _, stop = period(w, stop) end
  return t < stop
end

local function forget_period(s, w)
  if s.spent <= 0 then
    s.spent, s.at = 0, 0
    return
  end
  local start, stop = period(w, now)
  if s.at < start then
    s.spent, s.at = 0, 0
  elseif s.at >= stop and not next_period(w, s.at) then
    s.at, s.window = now, w
  end
end

-- Sliding.
local function oldest(s)
  if s.first <= s.stop then return unpack('<dd', s.text, s.first) end
  return s.last, s.cost
end

-- set_back is for a clock that was: what was spent last was spent now, and all before it as much before.
local function set_back(s, w)
  local ahead, parts = s.last - now, {}
  for i = s.first, s.stop, 16 do
    local t, c = unpack('<dd', s.text, i)
    insert(parts, pack('<dd', t - ahead, c))
  end
  s.text, s.first, s.last = concat(parts), 1, now
  s.stop, s.window = #s.text, w
end

local function drop_oldest(s)
  if s.first <= s.stop then s.first = s.first + 16 else s.last, s.spent = false, 0 end
end

local function forget_sliding(s, w)
  if s.last and s.last > now then set_back(s, w) end
  local past = now - w.per
  while s.last do
    local t, c = oldest(s)
    if t > past then return end
    s.spent = s.spent - c
    drop_oldest(s)
  end
end

local function until_sliding(s, w, cost)
  if cost > w.limit then return w.per end
  local excess = s.spent - (w.limit - cost)
  if excess <= 0 or not s.last then return 0 end
  for i = s.first, s.stop, 16 do
    local t, c = unpack('<dd', s.text, i)
    excess = excess - c
    if excess <= 0 then return t + w.per - now end
  end
  return s.last + w.per - now
end

local function same(a, b, slot) return a == b or (slot > 0 and floor(a / slot) == floor(b / slot)) end

local function merge(s, slot)
  local parts, t, c = {}, oldest(s)
  for i = s.first + 16, s.stop + 16, 16 do
    local t2, c2 = s.last, s.cost
    if i <= s.stop then t2, c2 = unpack('<dd', s.text, i) end
    if same(t, t2, slot) then
      c2 = c + c2
    else
      insert(parts, pack('<dd', t, c))
    end
    t, c = t2, c2
  end
  s.text, s.first, s.last, s.cost = concat(parts), 1, t, c
  s.stop = #s.text
end

local function record_sliding(s, w, cost)
  s.spent = s.spent + cost
  if not s.last then
    s.text, s.first, s.stop, s.last, s.cost = '', 1, 0, now, cost
    return
  end
  local slot = 0
  if w.limit > ENTRIES then slot = ceil(w.per / SLOTS) end
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

local function take_oldest(s, back)
  s.spent = s.spent - back
  while s.last do
    local t, c = oldest(s)
    if c > back then
      if s.first <= s.stop then
        s.text = pack('<dd', t, c - back) .. sub(s.text, s.first + 16, s.stop)
        s.first, s.stop = 1, #s.text
      else
        s.cost = c - back
      end
      return
    end
    back = back - c
    drop_oldest(s)
  end
end

-- All kinds.
local function passed(w, t)
  if w.kind == FIXED or w.kind == QUOTA then
    local _, stop = period(w, t)
    return stop
  end
  return t + w.per
end

-- empty is when a state counts for nothing.
local function empty(s, w)
  local t = now
  if w.kind == SLIDING then
    if s.last then t = s.last + w.per end
  elseif s.spent > 0 then
    if w.kind == FIXED or w.kind == QUOTA then t = passed(w, s.at) else t = s.at + drain_time(w, s.spent) end
  end
  if s.left then t = max(t, passed(w, s.given)) end
  return t
end

local function forget(s, w)
  if s.left then
    if s.given > now and not ((w.kind == FIXED or w.kind == QUOTA) and next_period(w, s.given)) then
      s.given, s.window = now, w
    end
    if now >= passed(w, s.given) then s.given, s.left = false, false end
  end
  if w.kind == SLIDING then
    forget_sliding(s, w)
  elseif w.kind == FIXED or w.kind == QUOTA then
    forget_period(s, w)
  else
    drain(s, w)
  end
end

-- counted is what is spent, after forget.
local function counted(s, w)
  if s.spent <= 0 or w.kind == SLIDING or w.kind == FIXED or w.kind == QUOTA then return s.spent end
  return s.spent - drained(s)
end

-- wait is how long it takes until the window by itself admits cost.
local function wait(s, w, cost)
  if w.kind == SLIDING then return until_sliding(s, w, cost) end
  if w.kind == FIXED or w.kind == QUOTA then
    local t = now
    if s.spent > 0 then t = max(t, s.at) end
    local _, stop = period(w, t)
    return stop - now
  end
  if cost > w.most then return w.per end
  local excess = s.spent - (w.most - cost)
  if excess <= 0 then return 0 end
  return max(s.at + drain_time(w, excess) - now, 0)
end

local function retry(s, w, cost)
  if s.left then
    local t = wait(s, w, max(cost - s.left, 0))
    if now + t < passed(w, s.given) and cost - s.left <= w.most then return t end
  end
  return wait(s, w, cost)
end

-- peek fills in how a charge stands, where cost is asked for.
local function peek(c, cost)
  local s = c.s
  cost = max(cost, 0)
  forget(s, c)
  local spent = counted(s, c)
  local free = c.most - spent
  c.left, c.reset, c.retry = max(free, 0), 0, 0
  if spent > 0 then c.reset = wait(s, c, c.left + 1) end
  if s.left then
    c.left = c.left + s.left
    free = c.left
  end
  c.ok = cost <= free
  if not c.ok then c.retry = retry(s, c, cost) end
end

-- spend records a cost that peek admitted.
local function spend(c, cost)
  local s = c.s
  forget(s, c)
  if s.left then
    local given = min(s.left, max(cost - max(c.most - counted(s, c), 0), 0))
    cost, s.left = cost - given, s.left - given
    if s.left == 0 then s.given, s.left = false, false end
  end
  s.window = c
  if cost <= 0 then return end
  if c.kind == SLIDING then
    record_sliding(s, c, cost)
  elseif c.kind == FIXED or c.kind == QUOTA then
    s.at, s.spent = max(s.at, now), s.spent + cost
  else
    if s.spent == 0 then s.at, s.limit, s.per = now, c.limit, c.per end
    s.spent = s.spent + cost
  end
end

local function refund(c)
  local s, cost = c.s, -c.cost
  forget(s, c)
  s.window = c
  if c.flags % 8 >= 4 then
    s.given, s.left = now, min((s.left or 0) + cost, WHOLE / 4)
    return
  end
  local back = min(cost, counted(s, c))
  if back <= 0 then return end
  if c.kind == SLIDING then
    take_oldest(s, back)
  else
    s.spent = s.spent - back
    forget(s, c)
  end
end
