//! The middleware through which every request goes.

use super::{access::access, user::User};
use crate::{api::query::refuse, error::is_not_found, shared::Shared};
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    rt::net::TcpStream,
    web,
};
use std::any::Any;

/// Remembers whose certificate a connection brought; TLS has checked it.
pub(in crate::api) fn connected(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    let certificates = stream.get_ref().1.peer_certificates();
    if let Some(user) = certificates.and_then(|c| c.first()).and_then(|c| User::of_certificate(c)) {
        data.insert(user);
    }
}

/// Lets a request through, or answers 401 or 403 as a kubelet does.
pub(in crate::api) async fn gate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match admit(&request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refusal) => Ok(request.into_response(refusal)),
    }
}

async fn admit(request: &ServiceRequest) -> Result<(), HttpResponse> {
    let nobody = || refuse(StatusCode::UNAUTHORIZED, "Unauthorized");
    let Some(shared) = request.app_data::<web::Data<Shared>>() else { return Err(nobody()) };
    let certified = request.conn_data::<User>().cloned();
    let user = match (certified, token(request)) {
        (Some(user), _) => user,
        (None, Some(token)) => match shared.reviews.user(token).await {
            Ok(user) => user.ok_or_else(nobody)?,
            Err(error) => {
                tracing::debug!(%error, "reviewing a token");
                return Err(nobody());
            }
        },
        (None, None) => return Err(nobody()),
    };
    let access = access(request.method().as_str(), request.path());
    let about =
        format!("user={}, verb={}, resource=nodes, subresource(s)={:?}", user.name, access.verb, access.subresources);
    match shared.reviews.allows(&user, &access).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refuse(StatusCode::FORBIDDEN, format!("Forbidden ({about})"))),
        // An API without such reviews allows nobody.
        Err(crate::Error::Api(error)) if is_not_found(&error) => {
            Err(refuse(StatusCode::FORBIDDEN, format!("Forbidden ({about})")))
        }
        Err(error) => {
            tracing::debug!(%error, "reviewing access");
            Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, format!("Authorization error ({about})")))
        }
    }
}

fn token(request: &ServiceRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
