//! The replicated state machine: Command in, Applied out, nothing else.
