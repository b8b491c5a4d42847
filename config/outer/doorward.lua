-- HAProxy asks Doorward about each request: config/outer/haproxy.cfg loads this. It needs HAProxy 2.5 or newer.
-- A request passes only with the answer 200; everything else, and no answer, is passed on as a refusal.

local ASK = "http://127.0.0.1:4180/.doorward/auth"
local TIMEOUT = 5000 -- milliseconds

-- Taken from the answer, and away from the request where the answer has none: who is calling, and what is left of credentials.
-- With another preset in Doorward's `identity_headers`, name its headers here.
local TAKEN = {
  "x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-groups", "x-forwarded-roles",
  "cookie", "authorization", "x-api-key", "x-client-id", "x-client-secret", "x-license-key",
}

-- Not passed on to Doorward: they belong to the connection, or are said anew.
local OWN = {
  ["host"] = true, ["connection"] = true, ["upgrade"] = true, ["transfer-encoding"] = true, ["content-length"] = true,
  ["keep-alive"] = true, ["te"] = true, ["expect"] = true, ["forwarded"] = true,
}

-- Not passed on to a client: they belong to the connection, or are for the application.
local NOT_TOLD = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true }

local function question(txn)
  local asked = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not OWN[name] then
      asked[name] = {}
      for _, value in pairs(values) do
        table.insert(asked[name], value)
      end
    end
  end
  asked["x-forwarded-method"] = { txn.sf:method() }
  asked["x-forwarded-uri"] = { txn.sf:pathq() }
  asked["x-forwarded-host"] = { txn.sf:req_hdr("host") }
  asked["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  asked["x-forwarded-for"] = { txn.sf:src() }
  return asked
end

local function first(headers, name)
  for _, value in pairs((headers or {})[name] or {}) do
    return value
  end
end

local function refuse(txn, answer)
  local reply = txn:reply()
  local status = answer and answer.status or 0
  -- 200 was handled before; another success would be a misunderstanding.
  if status < 300 then
    status = 503
  end
  reply:set_status(status)
  for name, values in pairs(answer and answer.headers or {}) do
    if not NOT_TOLD[name] then
      for _, value in pairs(values) do
        reply:add_header(name, value)
      end
    end
  end
  if answer and answer.body then
    reply:set_body(answer.body)
  end
  txn:done(reply)
end

core.register_action("doorward", { "http-req" }, function(txn)
  local answer = core.httpclient():get({ url = ASK, headers = question(txn), timeout = TIMEOUT })
  if not answer or answer.status ~= 200 then
    return refuse(txn, answer)
  end
  for _, name in ipairs(TAKEN) do
    txn.http:req_del_header(name)
    local value = first(answer.headers, name)
    if value then
      txn.http:req_set_header(name, value)
    end
  end
  -- A sealed session's cookie is renewed now and then.
  local cookie = first(answer.headers, "set-cookie")
  if cookie then
    txn:set_var("txn.door_cookie", cookie)
  end
end, 0)
