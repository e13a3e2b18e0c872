//! Client library and the maip command.
