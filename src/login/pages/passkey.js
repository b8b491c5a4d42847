// Asks the browser for a passkey and sends what it says with the page's own form. Without it the form does nothing.
'use strict';
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const named = (list) => (list || []).map((credential) => ({ ...credential, id: bytes(credential.id) }));

  const creation = (options) => ({
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: named(options.excludeCredentials),
  });
  const request = (options) => ({
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: named(options.allowCredentials),
  });

  const said = (credential) => {
    const { response } = credential;
    const parts = response.attestationObject
      ? { attestationObject: text(response.attestationObject), transports: response.getTransports ? response.getTransports() : [] }
      : {
          authenticatorData: text(response.authenticatorData),
          signature: text(response.signature),
          userHandle: response.userHandle ? text(response.userHandle) : null,
        };
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: { ...parts, clientDataJSON: text(response.clientDataJSON) },
    };
  };

  for (const form of document.querySelectorAll('form[data-ceremony]')) {
    const problem = form.querySelector('[role="alert"]');
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      problem.hidden = true;
      try {
        const options = JSON.parse(form.dataset.options).publicKey;
        const credential = form.dataset.ceremony === 'create'
          ? await navigator.credentials.create({ publicKey: creation(options) })
          : await navigator.credentials.get({ publicKey: request(options) });
        form.elements.answer.value = JSON.stringify(said(credential));
        form.submit();
      } catch (error) {
        problem.hidden = false;
        console.warn(error);
      }
    });
  }
})();
