"""The tables of an operator's records, the same in SQLite and in PostgreSQL.

What is kept are the sixteen fields that resolution No. 6 of the Belarusian Ministry of
Communications (18 February 2015) names: who, with which contract, address, document,
device and service; from when to when; internal and external address and port; which
site; how much was received and sent. The view `resolution_6` shows them under these
names, one row a flow. Source: censors.yaml of the research, `by-2016-retention-log`.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    event,
)

METADATA = MetaData()

# SQLite numbers rows by itself only if the key is called INTEGER; PostgreSQL's
# INTEGER would end at two thousand million rows.
_KEY = BigInteger().with_variant(Integer, "sqlite")

SUBSCRIBER = Table(
    "subscriber",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("line", String, nullable=False, unique=True),  # the lab's client
    Column("name", String),
    Column("contract", String),
    Column("address", String),
    Column("document", String),
    Column("device", String),
    Column("service", String),
)

# From a subscriber's first packet until nothing came for a while: when they came and
# went. Times are milliseconds since 1970, UTC, on the scenario's clock.
SESSION = Table(
    "session",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), index=True),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False, index=True),
    Column("internal_ip", String, nullable=False),
    Column("bytes_up", BigInteger, nullable=False),
    Column("bytes_down", BigInteger, nullable=False),
)

FLOW = Table(
    "flow",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id")),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("transport", String, nullable=False),
    Column("internal_ip", String, nullable=False),
    Column("internal_port", Integer),
    Column("external_ip", String),
    Column("external_port", Integer),
    Column("site_name", String),
    Column("site_ip", String, nullable=False),
    Column("site_port", Integer),
    Column("bytes_up", BigInteger, nullable=False),
    Column("bytes_down", BigInteger, nullable=False),
    Column("protocol", String),  # what a recogniser called it
    Column("hidden", String),  # why the site's name is not known, or not the real one
)

# Whatever an authority asked, and how much it was told.
REQUEST = Table(
    "request",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("asked_ms", BigInteger, nullable=False),
    Column("authority", String, nullable=False),
    Column("question", String, nullable=False),
    Column("rows", BigInteger, nullable=False),
)

# What was let go for its age, by the scenario's clock.
RETENTION = Table(
    "retention",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("done_ms", BigInteger, nullable=False),
    Column("limit_ms", BigInteger, nullable=False),  # what ended before it is gone
    Column("flows", BigInteger, nullable=False),
)

# Files of a run's unwritten rows that were loaded, by their content.
LOADED = Table(
    "loaded",
    METADATA,
    Column("digest", String, primary_key=True),  # SHA-256
    Column("loaded_ms", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
)

# One for each question: who had an address and port, what a subscriber visited, who
# visited a site, and what is too old.
Index("flow_external", FLOW.c.external_ip, FLOW.c.external_port, FLOW.c.start_ms)
Index("flow_subscriber", FLOW.c.subscriber_id, FLOW.c.start_ms)
Index("flow_site", FLOW.c.site_name, FLOW.c.start_ms)
Index("flow_end", FLOW.c.end_ms)

_RESOLUTION_6 = """
CREATE VIEW resolution_6 AS SELECT
  subscriber.name AS subscriber_name,
  subscriber.contract AS contract_no,
  subscriber.address AS subscriber_address_or_terminal_location,
  subscriber.document AS id_document_for_mobile,
  subscriber.device AS mac_or_imei,
  subscriber.service AS service_activated,
  flow.start_ms AS start_time,
  flow.end_ms AS end_time,
  flow.internal_ip, flow.internal_port,
  flow.external_ip, flow.external_port,
  COALESCE(flow.site_name, flow.site_ip) AS dest_domain_or_ip,
  flow.site_port AS dest_port,
  flow.bytes_up, flow.bytes_down
FROM flow LEFT JOIN subscriber ON subscriber.id = flow.subscriber_id
"""
event.listen(METADATA, "after_create", DDL(_RESOLUTION_6))  # type: ignore[no-untyped-call]
