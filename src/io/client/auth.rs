//! What is sent along with CONNECT: a value, or a function that is asked each time.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;

use crate::io::env::BoxFuture;

use super::Client;
use super::task::Request;

/// Asked at each CONNECT.
#[derive(Clone)]
pub(super) struct AuthFunction(Arc<dyn Fn() -> BoxFuture<Option<Value>> + Send + Sync>);

impl fmt::Debug for AuthFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthFunction")
    }
}

impl AuthFunction {
    pub(super) fn ask(&self) -> BoxFuture<Option<Value>> {
        (self.0)()
    }
}

impl Client {
    /// Changes what is sent along at the next CONNECT.
    pub fn set_auth(&self, auth: Option<Value>) {
        self.request(Request::SetAuth(auth));
    }

    /// Has a function asked what to send along, at each CONNECT from the next one on: a token that expires, say. CONNECT
    /// waits for it; where it never ends the client does not connect, and does not try again while the connection lasts.
    pub fn set_auth_with<F, Fut>(&self, auth: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Value>> + Send + 'static,
    {
        self.request(Request::SetAuthFunction(AuthFunction(Arc::new(move || Box::pin(auth())))));
    }
}
