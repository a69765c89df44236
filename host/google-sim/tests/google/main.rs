//! The stand-in over HTTP, as a device sees it.

#[cfg(test)]
mod client;
#[cfg(test)]
mod code_flow;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod control;
#[cfg(test)]
mod device_flow;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod fault;
#[cfg(test)]
mod limit;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod program;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod service_account;
#[cfg(test)]
mod sheets;
#[cfg(test)]
mod switch;
#[cfg(test)]
mod tasks;
