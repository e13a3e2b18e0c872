//! Declaring endpoints: each is mounted and described by the same line.

use std::{future::Future, sync::Arc};

use axum::{http::Method, response::Response};
use futures::future::BoxFuture;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder, Schema,
        path::{Parameter, ParameterIn},
        schema::SchemaType,
    },
};

use super::{BodyInput, Context, Operation, QueryInput, Reply, input, operation::AddSchemas, reply::Answer};
use crate::ApiError;

/// A query without the parameters of every endpoint, and the bytes of a body.
pub(super) struct Raw {
    pub(super) query: Vec<(String, String)>,
    pub(super) body: axum::body::Bytes,
}

pub(super) type Run = Arc<dyn Fn(Context, Raw) -> BoxFuture<'static, Result<Answer, ApiError>> + Send + Sync>;

/// An endpoint with what it does.
pub(super) struct Endpoint {
    pub(super) operation: Operation,
    pub(super) run: Run,
}

/// Every endpoint, in the order of the document.
#[derive(Default)]
pub(crate) struct Routes {
    pub(super) groups: Vec<(&'static str, &'static str)>,
    pub(super) endpoints: Vec<Endpoint>,
}

impl Routes {
    /// What follows belongs to this group.
    pub(crate) fn group(&mut self, name: &'static str, about: &'static str) {
        self.groups.push((name, about));
    }

    pub(crate) fn get<Q, R, F, Fut>(
        &mut self,
        path: &'static str,
        id: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        Q: QueryInput,
        R: Serialize + ToSchema + Send + 'static,
        F: Fn(Context, Q) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Result<Reply<R>, ApiError>> + Send + 'static,
    {
        let handler = move |context, query, _: super::NoBody| handler(context, query);
        self.add::<Q, super::NoBody, R, _, _>(Method::GET, path, id, handler)
    }

    pub(crate) fn post<Q, B, R, F, Fut>(
        &mut self,
        path: &'static str,
        id: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        Q: QueryInput,
        B: BodyInput,
        R: Serialize + ToSchema + Send + 'static,
        F: Fn(Context, Q, B) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Result<Reply<R>, ApiError>> + Send + 'static,
    {
        self.add::<Q, B, R, F, Fut>(Method::POST, path, id, handler)
    }

    /// Any method.
    pub(crate) fn add<Q, B, R, F, Fut>(
        &mut self,
        method: Method,
        path: &'static str,
        id: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        Q: QueryInput,
        B: BodyInput,
        R: Serialize + ToSchema + Send + 'static,
        F: Fn(Context, Q, B) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Result<Reply<R>, ApiError>> + Send + 'static,
    {
        let status = if method == Method::POST { 201 } else { 200 };
        let run: Run = Arc::new(move |context: Context, raw: Raw| {
            let handler = handler.clone();
            Box::pin(async move {
                let (query, body) = (input::query::<Q>(raw.query)?, input::body::<B>(&raw.body)?);
                handler(context, query, body).await?.encode()
            })
        });
        let mut operation = self.describe::<Q, B>(method, path, id, status);
        operation.answer = Some(reference::<R>(&mut operation.schemas));
        self.push(operation, run)
    }

    /// An endpoint that answers with something else than a JSON object.
    pub(crate) fn raw<Q, B, F, Fut>(
        &mut self,
        method: Method,
        path: &'static str,
        id: &'static str,
        content_type: &'static str,
        handler: F,
    ) -> &mut Operation
    where
        Q: QueryInput,
        B: BodyInput,
        F: Fn(Context, Q, B) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        let run: Run = Arc::new(move |context, raw: Raw| {
            let handler = handler.clone();
            Box::pin(async move {
                let (query, body) = (input::query::<Q>(raw.query)?, input::body::<B>(&raw.body)?);
                handler(context, query, body).await.map(Answer::Raw)
            })
        });
        let mut operation = self.describe::<Q, B>(method, path, id, 200);
        let response = ResponseBuilder::new().description("The answer.");
        // Any JSON: what it holds is said in words.
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        let schema = (content_type == "application/json").then_some(any);
        let content = ContentBuilder::new().schema(schema).build();
        operation.raw = Some(response.content(content_type, content).build());
        self.push(operation, run)
    }

    fn describe<Q: QueryInput, B: BodyInput>(
        &self,
        method: Method,
        path: &'static str,
        id: &'static str,
        status: u16,
    ) -> Operation {
        let query: Vec<Parameter> = Q::into_params(|| Some(ParameterIn::Query));
        let mut schemas = Vec::new();
        let body = B::TAKEN.then(|| (reference::<B>(&mut schemas), B::REQUIRED));
        let group = self.groups.last().map_or("", |(name, _)| *name);
        Operation { query, body, schemas, ..Operation::new(method, path, id, group, status) }
    }

    fn push(&mut self, operation: Operation, run: Run) -> &mut Operation {
        self.endpoints.push(Endpoint { operation, run });
        &mut self.endpoints.last_mut().expect("one was pushed").operation
    }

    /// The descriptions.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.endpoints.iter().map(|endpoint| &endpoint.operation)
    }
}

/// A reference to the schema of `T`, and what adds the schemas that it needs.
pub(crate) fn reference<T: ToSchema>(schemas: &mut Vec<AddSchemas>) -> RefOr<Schema> {
    schemas.push(|schemas| {
        schemas.push((T::name().into(), T::schema()));
        T::schemas(schemas);
    });
    Ref::from_schema_name(T::name()).into()
}
