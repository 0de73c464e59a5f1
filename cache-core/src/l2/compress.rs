//! Making payloads smaller.
