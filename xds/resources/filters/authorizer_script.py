"""The script that forms questions to authorizers, and reads their answers. No text of an annotation is ever code.

An error of the script ends the question, and so the request: by 503 before the authorizer is asked, which the filter
that asks turns into 500. An answer that was not read is no 200, which is the only one that lets a request in.
"""

from typing import Final

PREFIX: Final = "x-xds-authz-"
"""Of the headers with which a route tells the script about the question. Clients can't send any to the script."""

HOPS: Final = "x-xds-asked"
"""The header that counts the questions behind one another, which an authorizer behind itself would never end."""

MOST_HOPS: Final = 3

SCRIPT: Final = (
    f"""
-- Forms the question to an authorizer, and reads the answer. All that varies comes in headers of the route.

local PREFIX = "{PREFIX}"
local HOPS = "{HOPS}"
local MOST_HOPS = {MOST_HOPS}
"""
    """
local NAMESPACE = "xds-ingress.authorizer"
local OWN = {"method", "host", "path", "sign-in", "cookies", "passed", "scheme", "authority", "uri"}

local function escaped(text)
  return (text:gsub("[^%w%-._~]", function(character) return ("%%%02X"):format(character:byte()) end))
end

-- The text with the values of variables. A name is never part of a longer one.
local function filled(text, values)
  return (text:gsub("%$([%w_]+)", values))
end

local function ask(handle)
  local headers, told = handle:headers(), {}
  for _, name in ipairs(OWN) do
    told[name] = headers:get(PREFIX .. name)
    headers:remove(PREFIX .. name)
  end
  local hops = tonumber(headers:get(HOPS) or "0")
  assert(hops and hops >= 0 and hops < MOST_HOPS, "an authorizer is behind itself")
  local host = told.authority:gsub(":%d+$", ""):lower()
  local values = {
    host = host, http_host = told.authority, best_http_host = told.authority,
    scheme = told.scheme, pass_access_scheme = told.scheme,
    request_uri = told.uri, escaped_request_uri = escaped(told.uri),
  }
  headers:replace(HOPS, tostring(hops + 1))
  headers:replace(":method", told.method)
  headers:replace(":authority", filled(told.host, values))
  headers:replace(":path", filled(told.path, values))
  headers:remove("content-length")
  headers:remove("x-envoy-internal")
  headers:remove("x-envoy-expected-rq-timeout-ms")
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(NAMESPACE, "passed", told.passed or "")
  metadata:set(NAMESPACE, "cookies", told.cookies or "")
  if told["sign-in"] then
    metadata:set(NAMESPACE, "sign-in", filled(told["sign-in"], values))
  end
end

function envoy_on_request(handle)
  if not pcall(ask, handle) then
    handle:respond({[":status"] = "503"}, "")
  end
end

-- The names, with commas between, of headers that the answer lacks, so that a client's own don't reach the backend.
local function lacking(headers, passed)
  local names = {}
  for name in passed:gmatch("[^,]+") do
    if not headers:get(name) then
      names[#names + 1] = name
    end
  end
  return table.concat(names, ",")
end

-- Whether the answer is one for the client, whose body is not.
local function read(handle)
  local headers = handle:headers()
  local status, kept = headers:get(":status"), handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  headers:remove("location")
  if status:match("^2%d%d$") then
    headers:replace("x-envoy-auth-headers-to-remove", lacking(headers, kept.passed))
    headers:replace(":status", "200")
    return false
  end
  if status ~= "401" and status ~= "403" then
    headers:replace(":status", "503")
    return false
  end
  if status == "401" and kept["sign-in"] then
    headers:replace(":status", "302")
    headers:replace("location", kept["sign-in"])
  elseif kept.cookies ~= "always" then
    headers:remove("set-cookie")
  end
  if headers:get(":status") ~= "401" then
    headers:remove("www-authenticate")
  end
  headers:remove("content-type")
  return true
end

function envoy_on_response(handle)
  local is_read, is_refusal = pcall(read, handle)
  if not is_read then
    handle:headers():replace(":status", "503")
  elseif is_refusal then
    local body = handle:body()
    if body then
      body:setBytes("")
    end
  end
end
"""
)
