-- Changes parameters of a query. Those that are not named stay as they are spelt: a filter of Envoy's own would write all of
-- them anew, decoded, and so let a value end its parameter.
local function decoded(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function encoded(text)
  return (text:gsub("[^%w%-%._~]", function(c) return string.format("%%%02X", string.byte(c)) end))
end

local function address(handle)
  local text = handle:streamInfo():downstreamRemoteAddress()
  return text:match("^%[(.*)%]:%d+$") or text:match("^(.*):%d+$") or text
end

local function value(handle, parts)
  local out = ""
  for _, part in ipairs(parts) do
    if part.header then
      out = out .. (handle:headers():get(part.header) or "")
    elseif part.address then
      out = out .. address(handle)
    else
      out = out .. part.text
    end
  end
  return encoded(out)
end

local function change(handle)
  local context = handle:filterContext()
  local gone, written = context:get("gone") or {}, context:get("written") or {}
  local path = handle:headers():get(":path")
  local place, query = path:match("^([^?]*)%??(.*)$")
  local kept = {}
  for parameter in query:gmatch("[^&]+") do
    if not gone[decoded(parameter:match("^[^=]*"))] then
      table.insert(kept, parameter)
    end
  end
  for _, parameter in ipairs(written) do
    table.insert(kept, encoded(parameter.name) .. "=" .. value(handle, parameter.value))
  end
  local changed = place
  if #kept > 0 then
    changed = place .. "?" .. table.concat(kept, "&")
  end
  if changed ~= path then
    handle:headers():replace(":path", changed)
  end
end

-- A request that could not be changed does not go on as it came.
function envoy_on_request(handle)
  local done, why = pcall(change, handle)
  if not done then
    handle:logErr("the query was not changed: " .. why)
    handle:respond({[":status"] = "500"}, "the query could not be changed")
  end
end
