//! The policy, as a host calls it: scripts of what happens, and what it wants next.

#[cfg(test)]
mod script;

#[cfg(test)]
mod renewal;
#[cfg(test)]
mod sign_in;
