"use strict";
// Browsers keep what is behind `#` over redirects and tell no server. Here it joins the way back, so that it survives the sign-in.
(() => {
  const part = location.hash;
  if (part.length < 2 || part.length > 1024) return;
  const joined = (back) => (back.includes("#") ? back : back + part);
  for (const field of document.querySelectorAll('input[name="return_to"]')) field.value = joined(field.value);
  for (const link of document.querySelectorAll('a[href*="return_to="]')) {
    const target = new URL(link.href);
    const back = target.searchParams.get("return_to");
    if (target.origin !== location.origin || !back) continue;
    target.searchParams.set("return_to", joined(back));
    link.href = target.href;
  }
})();
