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

function envoy_on_request(handle)
  local changes = handle:filterContext()
  local path = handle:headers():get(":path")
  local place, query = path:match("^([^?]*)%??(.*)$")
  local kept = {}
  for parameter in query:gmatch("[^&]+") do
    if not changes.gone[decoded(parameter:match("^[^=]*"))] then
      table.insert(kept, parameter)
    end
  end
  for _, written in ipairs(changes.written) do
    table.insert(kept, encoded(written.name) .. "=" .. value(handle, written.value))
  end
  local changed = place
  if #kept > 0 then
    changed = place .. "?" .. table.concat(kept, "&")
  end
  if changed ~= path then
    handle:headers():replace(":path", changed)
  end
end
