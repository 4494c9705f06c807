// A login link carries its token behind the '#', which a browser sends to no server.
async function logIn(token) {
  const response = await fetch("/login", { method: "POST", body: token });
  if (response.ok) {
    location.replace("/");
    return;
  }
  const problem = await response.json();
  document.getElementById("message").textContent = problem.detail;
}

const token = location.hash.slice(1);
history.replaceState(null, "", "/login");
if (token) {
  logIn(token);
}
document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(document.getElementById("token").value.trim());
});
