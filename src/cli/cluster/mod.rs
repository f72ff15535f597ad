//! Reads live clusters: a kubeconfig names the servers, their credentials are fetched, and each list is
//! asked for page by page, in the time of the run.

pub mod api_server;
mod connection;
mod credential_error;
mod credential_text;
mod credentials;
mod exec_plugin;
mod http;
mod kubeconfig;
pub mod lists;
pub mod live_session;
pub mod run_time;
