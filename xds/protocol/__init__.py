"""ADS conversations as state machines without I/O: requests in, responses out, time as an argument.

Delta and state of the world share the machinery. Rules:
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol

    Session ─────────── one stream of one proxy: the way in
      TypeStream ────── one type on the stream: Subscription, Backlog, InFlight
        Rejections ──── its rejected resources, with Bisection
      Ordering ──────── make before break: the waits between types, with Warming
      VirtualHostScope
    Fleet ───────────── the shared state of all sessions
      BuildFleet ────── the proxies of one build, such as Envoy 1.40
        LastGood ────── the served snapshot: the wanted one without versions on trial
        Trial ───────── rounds that ask a few proxies about versions on trial
        ResponseCache ─ responses, shared by streams with equal content
      ResumedVersions ─ versions from other streams
"""
