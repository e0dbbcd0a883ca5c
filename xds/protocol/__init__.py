"""ADS conversations as state machines without I/O: requests in, responses out, time as an argument.

Delta and state of the world share the machinery. The rules are those of
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol.

    Session ─────────── one stream of one proxy: the way in
      TypeStream ────── one type on the stream: Subscription, Backlog, InFlight
        Rejections ──── its rejected resources, with Bisection
      Ordering ──────── make before break: the waits of types for one another, with Warming
      VirtualHostScope
    Fleet ───────────── the state that all sessions share
      LastGood ──────── the served snapshot: the wanted one without rejected versions
      ResponseCache ─── one response for all streams that are due the same content
      ResumedVersions
"""
