"""The script that replaces names of a backend in its answers. Constant: no text of an annotation is ever code."""

from typing import Final

SCRIPT: Final = """
-- Replaces names of a backend in its answers. The words are values of the route's filter context, never code.

local NAMESPACE = "xds-ingress.backend-names"

-- The text with another beginning; nil if the text doesn't begin with `found`.
local function with_beginning(text, found, by)
  if found and text:sub(1, #found) == found then
    return by .. text:sub(#found + 1)
  end
end

-- The domain with another name behind a dot in front; nil for other names than `found`.
local function with_name(domain, found, by)
  local dot = domain:match("^%.?")
  if found and domain:sub(#dot + 1):lower() == found then
    return dot .. by
  end
end

-- Without blanks at both ends. No pattern finds those at the end in linear time.
local function trimmed(text)
  local last = #text
  while last > 0 and text:byte(last) == 32 do
    last = last - 1
  end
  return text:sub(text:find("[^ ]") or 1, last)
end

-- The cookie with another Path and Domain; nil if neither changes. Parted and joined as by nginx.
local function with_attributes(cookie, words)
  local parts, changed = {}, false
  for part in (cookie .. ";"):gmatch("([^;]*);") do
    local name, value = part:match("^([^=]*)=(.*)$")
    name = trimmed(name or part)
    if value then
      value = trimmed(value)
      local attribute, new = name:lower(), nil
      if #parts > 0 and attribute == "path" then
        new = with_beginning(value, words:get("path_found"), words:get("path_by"))
      elseif #parts > 0 and attribute == "domain" then
        new = with_name(value, words:get("domain_found"), words:get("domain_by"))
      end
      changed = changed or new ~= nil
      name = name .. "=" .. (new or value)
    end
    parts[#parts + 1] = name
  end
  return changed and table.concat(parts, "; ") or nil
end

local function replace_cookies(headers, words)
  local cookies, changed = {}, false
  for index = 0, headers:getNumValues("set-cookie") - 1 do
    local cookie = headers:getAtIndex("set-cookie", index)
    local new = with_attributes(cookie, words)
    changed = changed or new ~= nil
    cookies[#cookies + 1] = new or cookie
  end
  if changed then
    headers:remove("set-cookie")
    for _, cookie in ipairs(cookies) do
      headers:add("set-cookie", cookie)
    end
  end
end

local function replace_locations(handle, headers, words)
  local found, by = words:get("location_found"), words:get("location_by")
  local location = headers:get("location")
  local new = location and with_beginning(location, found, by)
  if new then
    if new:sub(1, 1) == "/" then
      local site = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
      new = (site and site.site or "") .. new
    end
    headers:replace("location", new)
  end
  local refresh = headers:get("refresh")
  local _, last = (refresh or ""):lower():find("url=", 1, true)
  local url = last and with_beginning(refresh:sub(last + 1), found, by)
  if url then
    headers:replace("refresh", refresh:sub(1, last) .. url)
  end
end

-- Keeps scheme and host of the request, which an answer doesn't have.
function envoy_on_request(handle)
  if handle:filterContext():get("completes_paths") then
    local headers = handle:headers()
    local host = headers:get(":authority"):gsub(":%d+$", ""):lower()
    local site = (headers:get("x-forwarded-proto") or "http") .. "://" .. host
    handle:streamInfo():dynamicMetadata():set(NAMESPACE, "site", site)
  end
end

function envoy_on_response(handle)
  local headers, words = handle:headers(), handle:filterContext()
  replace_locations(handle, headers, words)
  replace_cookies(headers, words)
end
"""
