//! The HTTP side on a real socket.

mod access;
mod delivery;
mod documents;
mod server;
