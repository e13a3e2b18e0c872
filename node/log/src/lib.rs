//! One hosted log: consensus, ingest, publishing, fence, scrub and the read path.
