//! Limits the answers of a store that are read into memory as a whole: lists of files, and errors.
//!
//! The contents of files are read piece by piece elsewhere, where it is known how many bytes were asked for.

use std::future::Future;
use std::pin::Pin;

use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};

use crate::digits::thousands;
use crate::limits;

/// Connects to a store whose answers are limited.
#[derive(Debug, Default)]
pub(super) struct LimitedAnswers {
    connector: ReqwestConnector,
}

impl HttpConnector for LimitedAnswers {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(LimitedClient(self.connector.connect(options)?)))
    }
}

#[derive(Debug)]
struct LimitedClient(HttpClient);

#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {} bytes", thousands(limits::REMOTE_ANSWER as u64))]
struct TooLong;

impl HttpService for LimitedClient {
    // As the attribute `async_trait` writes it.
    fn call<'service, 'call>(
        &'service self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'service: 'call,
        Self: 'call,
    {
        let lists = request.uri().query().is_some_and(|query| query.contains("list-type="));
        let reads = request.method().as_str() == "GET" && !lists;
        Box::pin(async move {
            let answer = self.0.execute(request).await?;
            if reads && answer.status().is_success() {
                return Ok(answer);
            }
            let (head, body) = answer.into_parts();
            let limited = Limited::new(body, limits::REMOTE_ANSWER).map_err(|e| match e.downcast() {
                Ok(of_the_line) => *of_the_line,
                Err(_) => HttpError::new(HttpErrorKind::Decode, TooLong),
            });
            Ok(HttpResponse::from_parts(head, HttpResponseBody::new(limited)))
        })
    }
}
